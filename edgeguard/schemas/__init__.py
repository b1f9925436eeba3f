"""The published JSON Schemas of the files that edgeguard writes."""
