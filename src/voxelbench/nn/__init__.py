"""Parts that methods share: heads, teachers, queues, matching and losses, each a small file."""
