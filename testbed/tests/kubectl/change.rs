//! What changes objects: apply in both forms, diff, patch, edit, replace, label, annotate, set,
//! delete.

use holdfast_testbed::beside::Run;

use super::{WIDGETS, deployment, on_both};

fn config(text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: {{app: a}}\ndata:\n  text: \
         {text}\n  more: same\n"
    )
}

#[test]
fn an_apply_of_the_client_creates_changes_and_leaves_alone() {
    on_both("kc-apply", async |clusters| {
        clusters.write("a.yaml", &config("one"))?;
        clusters
            .play(
                r#"
                = apply -f a.yaml → configmap/a created
                = apply -f a.yaml → configmap/a unchanged
                "#,
            )
            .await?;
        clusters.write("a.yaml", &config("two"))?;
        let changed = clusters.kubectl.same("diff -f a.yaml").await?;
        assert_eq!(changed.code, Some(1), "{changed:?}");
        assert!(changed.out.contains("- text: one") && changed.out.contains("+ text: two"));
        clusters
            .play(
                r#"
                = apply -f a.yaml --dry-run=server → configured (server dry run)
                = get cm a -o jsonpath={.data.text} → one
                = apply -f a.yaml → configmap/a configured
                = diff -f a.yaml
                = get cm a -o jsonpath={.data.text} → two
                = apply view-last-applied configmap/a → text: two
                "#,
            )
            .await?;
        clusters.write("a.yaml", &config("two").replace("  more: same\n", ""))?;
        clusters
            .play(
                r#"
                = apply -f a.yaml
                = get cm a -o jsonpath={.data} → {"text":"two"}
                "#,
            )
            .await?;
        clusters.write("bad.yaml", &config("x").replace("\ndata:", "\nvalues:"))?;
        clusters
            .play(
                r#"
                # FIXME: the real server refuses this as an invalid patch.
                ? apply -f bad.yaml → unknown field "values"
                = get cm a -o yaml → kind: ConfigMap
                = get cm a -o yaml --show-managed-fields → f:text
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn an_apply_of_the_server_tells_conflicts_and_takes_over_by_force() {
    on_both("kc-server-side", async |clusters| {
        clusters.write("a.yaml", &config("one"))?;
        clusters
            .says(
                "apply --server-side -f a.yaml",
                "configmap/a serverside-applied",
            )
            .await?;
        clusters.write("a.yaml", &config("two"))?;
        let changed = clusters
            .kubectl
            .same("diff --server-side -f a.yaml")
            .await?;
        assert_eq!(changed.code, Some(1), "{changed:?}");
        clusters
            .play(
                r#"
                ! apply --server-side --field-manager other -f a.yaml → conflict with "kubectl"
                = apply --server-side --field-manager other -f a.yaml --force-conflicts
                = get cm a -o jsonpath={.data.text} → two
                "#,
            )
            .await?;
        // From the client to the server: what the annotation owned goes over.
        clusters.write("b.yaml", &config("one").replace("name: a", "name: b"))?;
        clusters
            .play(
                r#"
                = apply -f b.yaml
                = apply --server-side -f b.yaml
                = get cm b -o jsonpath={.metadata.managedFields[*].manager} → kubectl
                = get cm a b -o yaml --show-managed-fields
                "#,
            )
            .await?;
        clusters.write("web.yaml", &deployment("web", "web:1", 0))?;
        clusters
            .play(
                r#"
                = apply --server-side -f web.yaml
                = apply --server-side -f web.yaml
                = scale deployment web --replicas 1
                ! apply --server-side -f web.yaml → .spec.replicas
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn objects_are_patched_edited_and_replaced() {
    on_both("kc-change", async |clusters| {
        clusters.write("a.yaml", &config("one"))?;
        clusters
            .play(
                r#"
                = create -f a.yaml → configmap/a created
                ! create -f a.yaml → already exists
                "#,
            )
            .await?;
        clusters
            .play(
                r#"
                = patch cm a -p '{"data":{"text":"strategic"}}' → configmap/a patched
                = get cm a -o jsonpath={.data.text} → strategic
                = patch cm a --type merge -p '{"data":{"text":"merge"}}' → configmap/a patched
                = get cm a -o jsonpath={.data.text} → merge
                = patch cm a --type json -p '[{"op":"replace","path":"/data/text","value":"json"}]'
                = get cm a -o jsonpath={.data.text} → json
                = patch cm a -p '{"data":{"text":"json"}}' → patched (no change)
                ! patch cm a --type json -p '[{"op":"test","path":"/data/text","value":"x"}]'
                "#,
            )
            .await?;
        let edit = Run::of("edit cm a").editor("sed -i s/json/edited/");
        let edited = clusters.kubectl.same(edit).await?;
        assert!(edited.out.contains("configmap/a edited"), "{edited:?}");
        clusters
            .says("get cm a -o jsonpath={.data.text}", "edited")
            .await?;
        let nothing = clusters
            .kubectl
            .same(Run::of("edit cm a").editor("true"))
            .await?;
        assert!(nothing.err.contains("no changes made"), "{nothing:?}");

        clusters.write("a.yaml", &config("replaced"))?;
        clusters
            .play(
                r#"
                = replace -f a.yaml → configmap/a replaced
                = replace --force -f a.yaml → replaced
                "#,
            )
            .await?;
        clusters.write("none.yaml", &config("x").replace("name: a", "name: none"))?;
        clusters
            .play(
                r#"
                ! replace -f none.yaml → NotFound
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn objects_are_labelled_and_annotated() {
    on_both("kc-label", async |clusters| {
        clusters.write("a.yaml", &config("one"))?;
        clusters
            .play(
                r#"
                = create -f a.yaml
                = label cm a tier=back → configmap/a labeled
                ! label cm a tier=front → already has a value
                = label cm a tier=front --overwrite
                = get cm -l tier=front -o name → configmap/a
                = label cm a tier- → configmap/a unlabeled
                ! label cm a 'tier=not valid' → invalid
                = annotate cm a note='by hand' → configmap/a annotated
                = get cm a -o jsonpath={.metadata.annotations.note} → by hand
                = annotate cm a note-
                = get cm a --show-labels → app=a
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn objects_are_deleted_alone_by_label_and_with_their_dependants() {
    on_both("kc-delete", async |clusters| {
        for name in ["a", "b", "c"] {
            clusters
                .good(&format!("create configmap {name} --from-literal=text=one"))
                .await?;
        }
        clusters
            .play(
                r#"
                = delete cm a → configmap "a" deleted
                ! delete cm a → NotFound
                = delete cm a --ignore-not-found
                = label cm b c kind=some
                = delete cm -l kind=some --dry-run=server → (server dry run)
                = delete cm -l kind=some → configmap "b" deleted
                = get cm -l kind=some
                # A finalizer holds it until somebody takes it away.
                = create configmap held
                = patch cm held -p '{"metadata":{"finalizers":["example.org/held"]}}'
                = delete cm held --wait=false
                ! wait cm held --for=delete --timeout=1s → timed out
                = patch cm held -p '{"metadata":{"finalizers":null}}'
                = wait cm held --for=delete --timeout=60s
                "#,
            )
            .await?;

        for name in ["back", "fore", "orphan"] {
            clusters.write("web.yaml", &deployment(name, "web:1", 1))?;
            clusters.good("apply -f web.yaml").await?;
            clusters
                .good(&format!(
                    "wait deployment {name} --for=condition=Available --timeout=60s"
                ))
                .await?;
        }
        clusters
            .play(
                r#"
                = delete deployment back --cascade=background
                = wait rs -l app=back --for=delete --timeout=60s
                = delete deployment fore --cascade=foreground --timeout=60s
                = get rs,pods -l app=fore
                = delete deployment orphan --cascade=orphan
                = get rs -l app=orphan -o name → replicaset.apps/orphan-HASH
                = delete rs -l app=orphan --now
                = delete all --all --timeout=60s
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn custom_objects_are_changed_like_any_other() {
    on_both("kc-custom", async |clusters| {
        clusters.write("crd.yaml", WIDGETS)?;
        clusters
            .play(
                r#"
                = apply -f crd.yaml
                = wait crd/widgets.kubectl.example.org --for=condition=Established --timeout=60s
                "#,
            )
            .await?;
        clusters.write(
            "w.yaml",
            "apiVersion: kubectl.example.org/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}\n",
        )?;
        clusters
            .play(
                r#"
                = apply -f w.yaml → widget.kubectl.example.org/w created
                = get wd → w 3
                = get toys -o wide → w 3 nobody
                = get widgets w -o yaml → maker: nobody
                ! patch wd w --type merge -p '{"spec":{"size":0}}' → spec.size
                ! patch wd w -p '{"spec":{"size":4}}'
                ! patch wd w --type merge -p '{"spec":{"colour":"blue"}}' → supported values
                = scale widget w --replicas 3
                = get wd w -o jsonpath={.spec.count} → 3
                = patch wd w --subresource status --type merge -p '{"status":{"phase":"Done"}}'
                = wait wd/w --for=jsonpath={.status.phase}=Done --timeout=60s
                ~ explain widgets → A widget is a thing.
                = explain widget.spec.size → How large it is.
                ~ explain widget --recursive → maker
                = describe wd w → Size: 3
                = delete -f crd.yaml --timeout=60s
                ! get widgets → the server could not find the requested resource
                "#,
            )
            .await?;
        Ok(())
    });
}
