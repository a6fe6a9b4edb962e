"""The linear support vector machine: its dual, solved to a certified duality gap."""
