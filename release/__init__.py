"""What a release is made of, and whether the sources are ready for one."""
