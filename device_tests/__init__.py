"""The suite that runs against a device, and the emulated device it runs against where no board is at hand."""
