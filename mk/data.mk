# Sources made from data files.
