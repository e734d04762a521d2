"""The mean-field limit: labels, sampling rules, coupling and the flow of measures."""
