"""The files of a release, and checks whether the sources are ready for one."""
