//! Workloads: rollouts, scaling, images, services, jobs, and what needs a node that runs something.

use super::{deployment, on_both};

#[test]
fn a_deployment_rolls_back_and_forth() {
    on_both("kc-rollout", async |clusters| {
        clusters.write("web.yaml", &deployment("web", "web:1", 2))?;
        clusters
            .play(
                r#"
                = apply -f web.yaml
                ~ rollout status deployment web --timeout=60s → successfully rolled out
                = get deployment web → web 2/2 2 2
                = get deployment web -o wide → web:1 app=web
                = set image deployment/web web=web:2 → image updated
                ~ rollout status deployment web --timeout=60s → successfully rolled out
                = rollout history deployment web → 1 <none>\n2 <none>
                = rollout history deployment web --revision=2 → Image: web:2
                = rollout undo deployment web → deployment.apps/web rolled back
                ~ rollout status deployment web --timeout=60s → successfully rolled out
                = get deployment web -o jsonpath={..image} → web:1
                = rollout history deployment web → 2 <none>\n3 <none>
                = rollout restart deployment web → restarted
                ~ rollout status deployment web --timeout=60s → successfully rolled out
                = rollout undo deployment web --to-revision=2 → rolled back
                ~ rollout status deployment web --timeout=60s → successfully rolled out
                = rollout pause deployment web → paused
                ! rollout undo deployment web → paused
                = rollout resume deployment web
                = scale deployment web --replicas=3 → deployment.apps/web scaled
                = wait deployment web --for=jsonpath={.status.readyReplicas}=3 --timeout=60s
                ! scale deployment web --replicas=1 --current-replicas=7
                = set env deployment/web COLOUR=red → env updated
                = set resources deployment web --limits=cpu=1,memory=1Gi
                ~ rollout status deployment web --timeout=60s → successfully rolled out
                # FIXME: the embedded cluster does not count terminating replicas.
                ~ get deployment web -o yaml → readyReplicas: 3
                = get rs -l app=web --sort-by={.metadata.name} -o name
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn things_are_created_run_and_exposed_by_a_line() {
    on_both("kc-create", async |clusters| {
        clusters
            .play(
                r#"
                = create deployment web --image=web:1 --replicas=1 --port=8080 → created
                ~ rollout status deployment web --timeout=60s → successfully rolled out
                = expose deployment web --port=80 --target-port=8080 → service/web exposed
                = get service web → web ClusterIP ADDRESS <none> 80/TCP
                = get service web -o yaml
                = create service clusterip plain --tcp=80:8080 → service/plain created
                = create service nodeport open --tcp=80:8080 → service/open created
                = run one --image=one:1 --restart=Never → pod/one created
                = wait pod one --for=create --timeout=60s
                = create configmap a --from-literal=x=1
                "#,
            )
            .await?;
        clusters.write("file.txt", "content\n")?;
        clusters
            .play(
                r#"
                = create configmap b --from-file=file.txt
                = get cm b -o jsonpath={.data} → content
                = create secret generic s --from-literal=x=1
                = create secret docker-registry d --docker-server=r --docker-username=u --docker-password=p
                = create job once --image=once:1 → job.batch/once created
                = wait job once --for=condition=Complete --timeout=60s
                = create cronjob often --image=often:1 --schedule='*/5 * * * *' → created
                = create job now --from=cronjob/often → job.batch/now created
                # FIXME: the embedded cluster counts a job that a person made as active.
                ~ get cronjob often → often */5 * * * *
                = create ingress in --rule=example.org/=web:80 → created
                = get ingress in
                = create quota q --hard=pods=10 → created
                = create poddisruptionbudget p --selector=app=web --min-available=1
                = create priorityclass high-kc --value=10
                = autoscale deployment web --min=1 --max=3 → autoscaled
                = create namespace kc-create-more
                = delete namespace kc-create-more --timeout=60s
                ! get namespace kc-create-more → not found
                "#,
            )
            .await?;
        Ok(())
    });
}

#[test]
fn what_needs_a_running_container_is_refused_clearly() {
    on_both("kc-refused", async |clusters| {
        clusters
            .play(
                r#"
                = run one --image=one:1
                = wait pod one --for=condition=Ready --timeout=60s
                "#,
            )
            .await?;
        let logs = clusters.here("logs one").await?;
        assert!(logs.out.contains("no container runs"), "{logs:?}");
        clusters
            .play(
                r#"
                ? exec one -- true → not supported
                ? port-forward pod/one 18080:80 → not supported
                ? top pods → Metrics API not available
                ? top nodes → Metrics API not available
                ! logs none → not found
                "#,
            )
            .await?;
        Ok(())
    });
}
