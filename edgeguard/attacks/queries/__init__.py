"""Which images a thief asks. One file each."""
