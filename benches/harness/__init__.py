"""What `side_by_side` and `instructions` share."""
