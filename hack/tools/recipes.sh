# shellcheck shell=bash
# shellcheck disable=SC2034  # the variables are the result, read by whoever sources this
# Sourced: which programs there are, in which version, and how Go builds them. The one place to raise a version.
#
# recipe NAME sets
#   VERSION   the pinned version
#   PACKAGES  Go packages, one program each
#   MODULE    a folder under gomod/ whose go.mod and go.sum lock the build; empty: `go install PACKAGE@VERSION`
#   LDFLAGS   extra linker flags

KUBERNETES_VERSION=v1.36.3

recipe() { # NAME
  MODULE='' LDFLAGS=''
  case $1 in
    kind) VERSION=v0.33.0 PACKAGES=sigs.k8s.io/kind ;;
    helm) VERSION=v3.22.0 PACKAGES=helm.sh/helm/v3/cmd/helm ;;
    kubeconform) VERSION=v0.8.0 PACKAGES=github.com/yannh/kubeconform/cmd/kubeconform ;;
    kubectl) kubernetes kubectl ;;
    kubernetes) kubernetes kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubeadm ;;
    # etcd and crictl have replace lines in their own go.mod, which `go install` refuses.
    etcd) VERSION=v3.6.8 MODULE=etcd PACKAGES=go.etcd.io/etcd/server/v3 ;;
    crictl)
      VERSION=v1.36.0 MODULE=crictl PACKAGES=sigs.k8s.io/cri-tools/cmd/crictl
      LDFLAGS="-X sigs.k8s.io/cri-tools/pkg/version.Version=$VERSION"
      ;;
    containerd)
      VERSION=v2.4.2
      local cmd=github.com/containerd/containerd/v2/cmd
      PACKAGES="$cmd/containerd $cmd/containerd-shim-runc-v2 $cmd/ctr"
      ;;
    coredns) VERSION=v1.14.2 PACKAGES=github.com/coredns/coredns ;;
    local-path-provisioner) VERSION=v0.0.30 PACKAGES=github.com/rancher/local-path-provisioner ;;
    registry) VERSION=v3.0.0 PACKAGES=github.com/distribution/distribution/v3/cmd/registry ;;
    pause) VERSION=v3.10 MODULE=pause PACKAGES=trawler/tools/pause ;;
    *) fail "there is no recipe for '$1' in hack/tools/recipes.sh" ;;
  esac
}

# Programs of the Kubernetes module. The version stamps are what Helm and the version-skew checks read; without them they see v0.0.0.
kubernetes() { # PROGRAM...
  VERSION=$KUBERNETES_VERSION MODULE=kubernetes
  PACKAGES=$(printf 'k8s.io/kubernetes/cmd/%s ' "$@")
  local v=k8s.io/component-base/version minor=${KUBERNETES_VERSION#v1.}
  LDFLAGS="-X $v.gitVersion=$VERSION -X $v.gitMajor=1 -X $v.gitMinor=${minor%%.*} -X $v.gitCommit=module -X $v.gitTreeState=clean"
}
