"""Students: the architectures that thieves train, one file a family. Victims of evaluations are built from them too."""
