# SPDX-License-Identifier: Apache-2.0
# make            builds the three programs into bin/
# make run        builds, then runs the sample topology on this machine
# make test       everything that can be checked on one machine without a cluster
# make check      formatting, vet, staticcheck, generated files, import arrows
# make python     the Python bindings: a wheel, and their tests with every Python found
# make faults     endpoints on machines of their own, between which everything goes wrong; needs root
# make soak       the same with random seeds for DURATION
# make e2e        the end-to-end tests on kind, or on the cluster that KUBECONFIG names

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo v0.1.0-dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
NODE_IMAGE ?= brokermesh-node:dev
MANAGER_IMAGE ?= brokermesh-manager:dev
KUBECTL ?= kubectl
FUZZTIME ?= 20s
DURATION ?= 1h

export CGO_ENABLED ?= 0

##@ Build

.PHONY: build
build: bin/brokerctl bin/node bin/manager ## Build the three programs.

bin/%: FORCE
	go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/$*

.PHONY: run
run: bin/brokerctl ## Run the sample Zeek cluster on this machine; Ctrl-C stops it.
	bin/brokerctl up -f config/samples/zeek-cluster.yaml

.PHONY: images
images: bin/node bin/manager ## Write the two container images as archives into bin/.
	go run ./hack/mkimage -o bin/node.tar -t $(NODE_IMAGE) -user 65532:65532 -entrypoint /node /node=bin/node
	go run ./hack/mkimage -o bin/manager.tar -t $(MANAGER_IMAGE) -user 65532:65532 -entrypoint /manager /manager=bin/manager

##@ Generated files

.PHONY: generate
generate: ## Write the DeepCopy functions and the pages that are generated from code.
	go tool controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...
	go run ./hack/gendocs -o docs/conditions.md -lint docs/lint.md

.PHONY: manifests
manifests: ## Write the CRDs, their reference in docs/api.md and the manager's role.
	go tool controller-gen crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	go run ./hack/apidocs -o docs/api.md
	go tool controller-gen rbac:roleName=brokermesh-manager paths=./controllers/... output:rbac:artifacts:config=config/rbac
	{ echo '# Made from config/rbac/role.yaml by `make manifests`: the same rights, in one namespace.'; \
	  sed -e '/^---$$/d' -e 's/^kind: ClusterRole$$/kind: Role/' -e 's/^  name: brokermesh-manager$$/&\n  namespace: brokermesh-system/' config/rbac/role.yaml; \
	} > config/namespaced/role.yaml

##@ Checks

.PHONY: check
check: ## Formatting, vet, staticcheck, generated files, import arrows.
	hack/check

# The race detector needs cgo. The API server and etcd are built from Go modules the first time, which takes some minutes.
.PHONY: test
test: ## Unit tests, recorded conversations, controllers against a real API server; with the race detector, in random order.
	hack/test

.PHONY: allocs
allocs: ## Hold the message path to how often it may allocate memory for each message.
	go test -count=1 -tags allocs -run '^TestAllocs' -v ./pkg/broker

.PHONY: fuzz
fuzz: ## Fuzz every decoder for FUZZTIME each.
	FUZZTIME=$(FUZZTIME) hack/fuzz

.PHONY: python wheel
python: ## Build the wheel of the Python bindings and test it with every Python from 3.9 on that is found.
	hack/python
wheel: ## Build the wheel of the Python bindings into bin/.
	cd bindings/python/build_backend && python3 -m brokermesh_build wheel $(CURDIR)/bin

.PHONY: faults
faults: ## Faults of networks, processes and peers, with fixed seeds; needs root, iproute2 and nftables.
	hack/faults

.PHONY: soak
soak: ## Random faults for DURATION, beginning with SEED if it is set; the log goes to bin/soak-SEED.log.
	SEED=$(SEED) hack/faults soak $(DURATION)

.PHONY: e2e
e2e: images ## End-to-end tests on a real cluster.
	hack/e2e

RUNS ?= 5
COUNT ?= 0
PREVIOUS ?= HEAD~1
GOBENCH ?= yes
.PHONY: bench
bench: bin/brokerctl ## All workloads RUNS times, a table of it, and Go benchmarks against PREVIOUS. Quick: RUNS=1 COUNT=20000 GOBENCH=no.
	go run ./hack/bench -runs $(RUNS) -count $(COUNT) -previous $(PREVIOUS) -no-go=$(if $(filter yes,$(GOBENCH)),false,true)

DURATION ?= 10m
.PHONY: bench-overload
bench-overload: ## Ten times what a publisher, a subscriber, a relay and a gateway client can take, DURATION each, and as long elsewhere.
	go run ./test/overload -duration $(DURATION)

.PHONY: bench-python
bench-python: ## How fast the Python bindings are, beside Go's figures. COUNT messages, RUNS times; PYTHON names the program.
	COUNT=$(COUNT) RUNS=$(RUNS) hack/bench-python

##@ Cluster

.PHONY: kind-up kind-down
kind-up: ## Make a three-node kind cluster.
	hack/kind/up
kind-down: ## Remove it.
	hack/kind/down

.PHONY: install uninstall deploy undeploy
install: manifests ## Install the CRDs into the cluster of the current context.
	$(KUBECTL) apply -k config/crd
uninstall: ## Remove the CRDs, and with them every object of theirs.
	$(KUBECTL) delete --ignore-not-found -k config/crd
deploy: manifests ## Install the CRDs, the roles and the manager.
	$(KUBECTL) apply -k config/default
undeploy: ## Remove all of it.
	$(KUBECTL) delete --ignore-not-found -k config/default

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+.*:.*##/ {split($$1, t, ":"); printf "  %-12s %s\n", t[1], $$2}' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## Remove what was built.
	rm -rf bin

.PHONY: FORCE
FORCE:
