return "the neighbour of loader_probe"
