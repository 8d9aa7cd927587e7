"""Where kernels run: simulators, annealers and devices behind one Protocol."""
