{{/*
What a cluster that already has the volume or the claim would answer with a page of Go types, said in a sentence. Looks at
the cluster, so it sees nothing in `helm template` and in a dry run on the client: then the API server says it.
Called with (dict "root" $ "kind" … "namespace" … "claim" … "volume" …).
*/}}
{{- define "trawler.guardLibrary" -}}
{{- $library := .root.Values.library -}}
{{- $else := "For another volume choose another library.claimName: the old claim and its files stay beside it." -}}
{{- $claim := lookup "v1" "PersistentVolumeClaim" .namespace .claim | default dict -}}
{{- if $claim -}}
{{- $release := printf "%s/%s" .root.Release.Namespace .root.Release.Name -}}
{{- $annotations := dig "metadata" "annotations" dict $claim -}}
{{- $owner := printf "%s/%s" (dig "meta.helm.sh/release-namespace" "" $annotations) (dig "meta.helm.sh/release-name" "" $annotations) -}}
{{- if eq $owner "/" -}}
{{- fail (printf "library: the claim %s/%s exists and was not made by this chart. To use it as it is: library.existingClaim=%s and no other kind of library." .namespace .claim .claim) -}}
{{- else if ne $owner $release -}}
{{- fail (printf "library: the claim %s/%s was made by the release %s. Install under that name and namespace, or use it as it is: library.existingClaim=%s and no other kind of library." .namespace .claim $owner .claim) -}}
{{- end -}}
{{- $isStatic := eq "" (dig "spec" "storageClassName" "provisioned" $claim) -}}
{{- if ne $isStatic (ne .kind "storageClass") -}}
{{- fail (printf "library: the claim %s/%s exists with another kind of volume (%s), and a claim cannot change. %s" .namespace .claim (dig "spec" "volumeName" "not bound yet" $claim) $else) -}}
{{- end -}}
{{- end -}}
{{- $volume := lookup "v1" "PersistentVolume" "" .volume | default dict -}}
{{- if and $volume (ne .kind "storageClass") -}}
{{- $is := printf "%s:%s" (dig "spec" "nfs" "server" "" $volume) (dig "spec" "nfs" "path" (dig "spec" "hostPath" "path" "" $volume) $volume) -}}
{{- $wanted := printf "%s:%s" $library.nfs.server (default $library.hostPath.path $library.nfs.path) -}}
{{- if ne $is $wanted -}}
{{- fail (printf "library: the volume %s is %s and cannot become %s. %s" .volume (trimPrefix ":" $is) (trimPrefix ":" $wanted) $else) -}}
{{- end -}}
{{- if eq "Released" (dig "status" "phase" "" $volume) -}}
{{- fail (printf "library: the volume %s still belongs to a claim that was deleted. Its files are untouched. To use it again: kubectl patch persistentvolume %s --type merge --patch '{\"spec\":{\"claimRef\":{\"uid\":null,\"resourceVersion\":null}}}' and repeat this command." .volume .volume) -}}
{{- end -}}
{{- end -}}
{{- end -}}
