"""A small lab: any method of the library, one encoder, one data set, one budget."""
