"""What lives on the cluster: scheduler, coordinators, workers, devices."""
