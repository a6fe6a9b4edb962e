"""Block coordinate descent with every combination of partition, selection and update."""
