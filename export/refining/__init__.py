"""What makes an int8 network answer more like the float one: passes over its weights, ranges and biases."""
