"""What Watchkeeper decides, without clock, input or output."""
