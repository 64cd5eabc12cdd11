//! What shows objects and the API: get in its forms, describe, explain, discovery.

use super::{deployment, on_both};

#[test]
fn objects_are_shown_in_every_form() {
    on_both("kc-get", async |clusters| {
        clusters
            .play(
                r#"
                = create configmap a --from-literal=text=one --from-literal=n=2
                = create configmap b --from-literal=text=two
                = create secret generic s --from-literal=password=hidden
                = label cm a tier=back
                = get cm → a 2 AGE
                = get cm a b --no-headers → b 1 AGE
                = get cm -o wide → NAME DATA AGE
                = get cm a -o yaml → text: one
                = get cm a -o json → "text": "one"
                = get cm a b -o json → "kind": "List"
                = get cm,secrets -o name → secret/s
                = get cm,secrets → secret/s Opaque 1
                = get cm -o jsonpath={.items[*].data.text} → one two
                "#,
            )
            .await?;
        let columns = "get cm -o custom-columns=NAME:.metadata.name,TEXT:.data.text";
        clusters.says(columns, "a one").await?;
        let template = "get cm a -o go-template='{{range $k, $v := .data}}{{$k}}={{$v}};{{end}}'";
        clusters.says(template, "n=2;text=one;").await?;
        clusters
            .play(
                r#"
                = get cm --show-labels → tier=back
                = get cm -L tier → back
                = get cm --sort-by={.data.text} → b 1
                = get cm --field-selector metadata.name=b → b 1
                = get cm -l 'tier in (back),!none' → a 2
                = get cm -A --field-selector metadata.namespace=kc-get → kc-get a
                = get cm --chunk-size=1 -o name → configmap/b
                ! get cm none → configmaps "none" not found
                ! get nothings → the server doesn't have a resource type
                ! get cm --field-selector data.text=one → is not a known field selector
                ~ get --raw /api/v1/namespaces/kc-get/configmaps/a → "text":"one"
                ! get --raw /nothing → could not find the requested resource
                = get namespace kc-get → Active
                = get namespaces kc-get --show-labels → kubernetes.io/metadata.name=kc-get
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn a_watch_of_kubectl_tells_changes_until_it_ends() {
    on_both("kc-watch", async |clusters| {
        clusters
            .good("create configmap a --from-literal=text=one")
            .await?;
        let said = clusters
            .kubectl
            .alike("get cm a -w --request-timeout=2s --no-headers")
            .await?;
        assert!(said.out.starts_with("a 1"), "{said:?}");
        clusters
            .play(
                r#"
                ~ get cm --watch-only=true --request-timeout=1s -o name
                = wait cm a --for=jsonpath={.data.text}=one --timeout=60s
                = wait cm a --for=create --timeout=60s
                ! wait cm a --for=jsonpath={.data.text}=two --timeout=1s → timed out
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn the_api_and_its_kinds_are_told() {
    on_both("kc-api", async |clusters| {
        clusters
            .play(
                r#"
                ~ api-versions → apps/v1
                ~ api-resources → deployments deploy apps/v1 true Deployment
                "#,
            )
            .await?;
        for group in [
            "apps",
            "batch",
            "networking.k8s.io",
            "rbac.authorization.k8s.io",
            "policy",
        ] {
            clusters
                .good(&format!("api-resources --api-group={group} --sort-by=name"))
                .await?;
        }
        clusters
            .play(
                r#"
                = api-resources --api-group= --namespaced -o name --sort-by=name → pods
                = api-resources --api-group=apps -o wide --sort-by=name
                = cluster-info → control plane
                ~ version → Server Version: v1.37
                ~ explain deployment.spec.replicas → FIELD: replicas <integer>
                ~ explain pods --recursive → containers
                ~ explain deployment.spec.replicas --output=plaintext-openapiv2 → replicas <integer>
                ~ explain services --recursive --output=plaintext-openapiv2 → clusterIP <string>
                ! explain deployment.nothing → field "nothing" does not exist
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn objects_are_described() {
    on_both("kc-describe", async |clusters| {
        clusters
            .play(
                r#"
                = create configmap a --from-literal=text=one
                = create secret generic s --from-literal=password=hidden
                = describe cm a → text:
                = describe secret s → password: 6 bytes
                = describe namespace kc-describe → Status: Active
                "#,
            )
            .await?;
        clusters.write("web.yaml", &deployment("web", "web:1", 1))?;
        clusters
            .play(
                r#"
                = apply -f web.yaml
                ~ rollout status deployment web --timeout=60s → successfully rolled out
                = expose deployment web --port 80 --target-port 8080
                ~ describe deployment web → 1 desired | 1 updated | 1 total | 1 available
                ~ describe rs -l app=web → Controlled By: Deployment/web
                ~ describe pods -l app=web → Controlled By: ReplicaSet/web-HASH
                ~ describe service web → Port: <unset> 80/TCP
                ! describe cm none → not found
                "#,
            )
            .await?;
        Ok(())
    });
}
