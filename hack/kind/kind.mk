# The cluster to try and test on. README.md beside this file says what is done.
export CLUSTER ?= trawler

.PHONY: cluster
cluster: ## a Kubernetes cluster on this machine, with kind (CLUSTER=name for another one)
	@hack/kind/up

.PHONY: cluster-down
cluster-down: ## the cluster away again, and every trace of it
	@hack/kind/down
