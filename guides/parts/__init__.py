"""What families share: encoders, flows, normals on a support, joint draws."""
