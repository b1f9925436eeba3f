"""How a thief reads the answers that he bought. One file each."""
