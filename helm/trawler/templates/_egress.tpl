{{/*
Name resolution, sites on public addresses, and what the values add. Of blockedCIDRs each address family takes its own:
an ipBlock may only except ranges inside itself.
*/}}
{{- define "trawler.siteEgress" -}}
{{- $blocked := dict "4" list "6" list -}}
{{- range .Values.networkPolicy.blockedCIDRs -}}
{{- $family := ternary "6" "4" (contains ":" .) -}}
{{- $_ := set $blocked $family (append (get $blocked $family) .) -}}
{{- end -}}
# Any address: a node's own cache of the cluster's DNS has a link-local one.
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- ports:
    {{- range .Values.networkPolicy.sitePorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  to:
    - ipBlock:
        cidr: 0.0.0.0/0
        {{- with get $blocked "4" }}
        except:
          {{- toYaml . | nindent 10 }}
        {{- end }}
    - ipBlock:
        cidr: ::/0
        {{- with get $blocked "6" }}
        except:
          {{- toYaml . | nindent 10 }}
        {{- end }}
{{- range compact (concat (list .Values.defaults.proxy) .Values.access.allowedProxies) | uniq }}
{{ include "trawler.proxyEgress" . }}
{{- end }}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
The rule that lets pods reach one proxy, by its URL. A policy knows addresses and namespaces, but no names of hosts. What
ends in .svc is a Service, whose pods are in the namespace that it names; where any other name leads nobody knows here
(proxy.lan is a machine, vpn.media may be a Service), so for it the port says what may be reached.
*/}}
{{- define "trawler.proxyEgress" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host -}}
{{- $host := trimSuffix $port $url.host | trimPrefix "[" | trimSuffix "]" | trimSuffix "." | lower -}}
{{- $labels := splitList "." $host -}}
- ports:
    - {port: {{ trimPrefix ":" $port | default (get (dict "http" "80" "https" "443") $url.scheme) | default "1080" }}, protocol: TCP}
{{- if contains ":" $host }}
  to:
    - ipBlock: {cidr: "{{ $host }}/128"}
{{- else if regexMatch "^[0-9.]+$" $host }}
  to:
    - ipBlock: {cidr: "{{ $host }}/32"}
{{- else if and (ge (len $labels) 3) (eq (index $labels 2) "svc") }}
  to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ index $labels 1 }}}}
{{- end }}
{{- end -}}
