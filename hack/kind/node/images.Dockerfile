# The images that kind preloads into its node, one target each. Context: the program.
ARG BASE_IMAGE=debian:bookworm-slim

FROM scratch AS control-plane
COPY * /usr/local/bin/
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

FROM scratch AS coredns
COPY coredns /coredns
ENTRYPOINT ["/coredns"]

FROM scratch AS pause
COPY pause /pause
ENTRYPOINT ["/pause"]

# Calls iptables, nft and conntrack.
FROM ${BASE_IMAGE} AS kube-proxy
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends iptables nftables conntrack kmod \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY kube-proxy /usr/local/bin/

# What makes and removes the folders of dynamic volumes: a shell, mkdir and rm.
FROM ${BASE_IMAGE} AS helper
