"""What servers bear, slow clients and faults: this one beside its peers."""
