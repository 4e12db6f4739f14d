-- Where the nodes of the cluster are: the key `cluster` of both configurations names this file.
db = "127.0.0.1:2528"
world = "127.0.0.1:2529"
