"""Where signs come from: one module a kind of source, each giving a plan of light rows and how to load them."""
