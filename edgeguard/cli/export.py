"""``edgeguard export``: a trained network becomes a defended artifact."""
