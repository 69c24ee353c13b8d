{{/*
Contradictions that a schema cannot see, or could only report as "oneOf failed". Each message names the values and says
what to do. Included once, by the Deployment.
*/}}
{{- define "trawler.validate" -}}
{{- $library := .Values.library -}}
{{- $kinds := include "trawler.libraryKinds" . | fromJsonArray -}}
{{- if gt (len $kinds) 1 -}}
{{- fail (printf "library: %s are set together; a library is one kind of volume: leave only one of them." (join " and " $kinds)) -}}
{{- end -}}
{{- if and (or $library.nfs.server $library.nfs.path) (not (and $library.nfs.server $library.nfs.path)) -}}
{{- fail "library.nfs: server and path are needed together, e.g. --set library.nfs.server=192.168.1.20 --set library.nfs.path=/volume1/media" -}}
{{- end -}}
{{- if and $library.nfs.mountOptions (not $library.nfs.server) -}}
{{- fail "library.nfs.mountOptions is set, but not library.nfs.server: nothing would be mounted with them." -}}
{{- end -}}
{{- if and $library.storageClass.name (not $library.storageClass.size) -}}
{{- fail "library.storageClass: a size is needed too, e.g. --set library.storageClass.size=500Gi" -}}
{{- end -}}
{{- if and .Values.watch.clusterWide .Values.watch.namespaces -}}
{{- fail "watch: clusterWide is true and namespaces are listed; remove one of the two." -}}
{{- end -}}
{{- $watched := include "trawler.watchNamespaces" . | fromJsonArray -}}
{{- if and $kinds (not .Values.watch.clusterWide) -}}
{{- range include "trawler.libraryNamespaces" . | fromJsonArray -}}
{{- if not (has . $watched) -}}
{{- fail (printf "library.namespaces: %q would get a library, but Subscriptions there are not watched (watch.namespaces: %s). Add it to watch.namespaces, or set library.namespaces to watched ones." . (join ", " $watched)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.defaults.caBundle .Values.defaults.caBundleConfigMap -}}
{{- fail "defaults: caBundle (PEM text) and caBundleConfigMap (a name) are set together; leave only one of them." -}}
{{- end -}}
{{- /* Here and not in the schema, whose message would repeat the password. */ -}}
{{- if contains "@" .Values.defaults.proxy -}}
{{- fail "defaults.proxy: no user or password here; it would be readable in every Job. Write scheme://host:port." -}}
{{- end -}}
{{- range $number, $proxy := .Values.access.allowedProxies -}}
{{- if contains "@" $proxy -}}
{{- fail (printf "access.allowedProxies: no user or password here (entry %d); a Subscription names them in access.proxySecretRef. Write scheme://host:port." $number) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "egress" "volume" -}}
{{- $pauses := get $.Values.gates $name -}}
{{- if gt (int $pauses.firstPauseSeconds) (int $pauses.longestPauseSeconds) -}}
{{- fail (printf "gates.%s: firstPauseSeconds (%d) must not be more than longestPauseSeconds (%d)." $name (int $pauses.firstPauseSeconds) (int $pauses.longestPauseSeconds)) -}}
{{- end -}}
{{- end -}}
{{- $operator := .Values.operator -}}
{{- if ge (int $operator.maxConcurrentListings) (int $operator.maxConcurrentReconciles) -}}
{{- fail (printf "operator: maxConcurrentListings (%d) must be smaller than maxConcurrentReconciles (%d), else ended Jobs wait for listings." (int $operator.maxConcurrentListings) (int $operator.maxConcurrentReconciles)) -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount: create is false, so name must say which existing account to use." -}}
{{- end -}}
{{- end -}}
