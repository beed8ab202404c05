"""Results in the types of other libraries, each imported only where it is used."""
