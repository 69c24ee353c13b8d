{{/*
What the operator may do where it watches, and nothing else: in particular nothing with Secrets unless that is switched
on, and no change of a Subscription but of its status. Checked line by line by tests/chart.
*/}}
{{- define "trawler.rules" -}}
- apiGroups: [trawler.dev]
  resources: [subscriptions]
  verbs: [get, list, watch]
- apiGroups: [trawler.dev]
  resources: [subscriptions/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# Ledgers; a ConfigMap with certificate authorities is read.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch]
# How a download ended, where the Job itself does not tell.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
{{- if .Values.access.readSecrets }}
# Cookies and proxy credentials that a Subscription names, for its listing.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
