"""What the library knows: a catalogue that loses nothing, and vectors made searchable."""
