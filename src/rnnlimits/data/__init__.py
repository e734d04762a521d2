"""Where sequences come from: ergodic systems, their windows, targets with a memory."""
