"""Replay of existing logs: a file of calls becomes batches, posted as any app would post them."""
