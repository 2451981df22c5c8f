"""What the entry point `gan` and a search over GANs are made of: data, judges, scores, the course, the outcome."""
