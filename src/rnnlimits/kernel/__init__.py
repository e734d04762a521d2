"""The kernel limit of linear recurrent networks."""
