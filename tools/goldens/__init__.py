"""Tiny random checkpoints and their reference activations; see make_model_goldens.py."""
