{{/* What Pod Security "restricted" wants of a container, and a root filesystem that cannot be written. */}}
{{- define "trawler.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}
