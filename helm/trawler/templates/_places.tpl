{{/*
Which namespaces, which kind of library, which claim and which CA. Lists are handed on as JSON: a named template can
only return text.
*/}}

{{/* Namespaces that the operator watches; none when it watches all. */}}
{{- define "trawler.watchNamespaces" -}}
{{- if .Values.watch.clusterWide -}}
[]
{{- else -}}
{{- default (list .Release.Namespace) .Values.watch.namespaces | uniq | sortAlpha | toJson -}}
{{- end -}}
{{- end -}}

{{- define "trawler.libraryNamespaces" -}}
{{- default (list .Release.Namespace) .Values.library.namespaces | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* Namespaces known to get download pods: the watched ones, or, where all are watched, those with a library. */}}
{{- define "trawler.downloadNamespaces" -}}
{{- if .Values.watch.clusterWide -}}
{{- include "trawler.libraryNamespaces" . -}}
{{- else -}}
{{- include "trawler.watchNamespaces" . -}}
{{- end -}}
{{- end -}}

{{/* The kinds of library that any value speaks of; more than one is refused by trawler.validate. */}}
{{- define "trawler.libraryKinds" -}}
{{- $kinds := list -}}
{{- with .Values.library -}}
{{- if .existingClaim -}}{{- $kinds = append $kinds "existingClaim" -}}{{- end -}}
{{- if or .nfs.server .nfs.path -}}{{- $kinds = append $kinds "nfs" -}}{{- end -}}
{{- if or .storageClass.name .storageClass.size -}}{{- $kinds = append $kinds "storageClass" -}}{{- end -}}
{{- if .hostPath.path -}}{{- $kinds = append $kinds "hostPath" -}}{{- end -}}
{{- end -}}
{{- $kinds | toJson -}}
{{- end -}}

{{/* The one kind, or empty. */}}
{{- define "trawler.libraryKind" -}}
{{- include "trawler.libraryKinds" . | fromJsonArray | join "" -}}
{{- end -}}

{{- define "trawler.defaultClaim" -}}
{{- if .Values.defaults.claimName -}}
{{- .Values.defaults.claimName -}}
{{- else if .Values.library.existingClaim -}}
{{- .Values.library.existingClaim -}}
{{- else if include "trawler.libraryKind" . -}}
{{- .Values.library.claimName -}}
{{- end -}}
{{- end -}}

{{- define "trawler.caConfigMap" -}}
{{- if .Values.defaults.caBundle -}}
{{- printf "%s-ca" (include "trawler.fullname" .) -}}
{{- else -}}
{{- .Values.defaults.caBundleConfigMap -}}
{{- end -}}
{{- end -}}
