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
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}
