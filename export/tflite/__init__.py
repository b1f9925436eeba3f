"""TFLite: reading, cutting, defending and writing flatbuffers, and converting networks to them."""
