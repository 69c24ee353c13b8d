{{/* Names and labels of objects. */}}

{{- define "trawler.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 characters: leaves room for suffixes inside the 63 of a Service's name. */}}
{{- define "trawler.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* For what has no namespace: two releases of one name in two namespaces do not meet. */}}
{{- define "trawler.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "trawler.fullname" .) -}}
{{- end -}}

{{/* What the operator remembers of sites and volumes, in the release's own namespace. */}}
{{- define "trawler.gatesConfigMap" -}}
{{- printf "%s-gates" (include "trawler.fullname" .) -}}
{{- end -}}

{{- define "trawler.selectorLabels" -}}
app.kubernetes.io/name: {{ include "trawler.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "trawler.labels" -}}
app.kubernetes.io/name: {{ include "trawler.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: trawler
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "trawler.serviceAccountName" -}}
{{- default (include "trawler.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* Called with (dict "root" $ "image" .Values.operator.image). */}}
{{- define "trawler.image" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.image.registry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}
