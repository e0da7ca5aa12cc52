# The same YAML as for `kubectl apply -k`. It is read during planning, so it must not depend on any
# resource.
data "kubectl_kustomize_documents" "this" {
  target = var.kustomization
}

locals {
  documents = [for text in data.kubectl_kustomize_documents.this.documents : yamldecode(text)]

  # From here to `manifests` is all that the inputs change. The two results of a conditional in HCL
  # must have the same type, so optional fields are merged from a `for` with an `if` instead.
  placed = {
    for each in [
      for each in local.documents : merge(each, {
        metadata = merge(each.metadata, {
          for field in ["name", "namespace"] : field => var.namespace
          if field == (each.kind == "Namespace" ? "name" : "namespace") && can(each.metadata[field])
        })
      })
    ] :
    join("/", compact([each.kind, try(each.metadata.namespace, ""), each.metadata.name])) => each
  }
  of_kind = {
    for kind in ["Deployment", "HorizontalPodAutoscaler", "Ingress", "Job"] :
    kind => { for key, each in local.placed : key => each if each.kind == kind }
  }

  # The migration uses the service's image.
  service          = one(values(local.of_kind.Deployment))
  kustomized_image = local.service.spec.template.spec.containers[0].image
  allowed_hosts = join(",", [
    var.hostname, "orders", "orders.${var.namespace}", "orders.${var.namespace}.svc",
  ])
  pods = {
    for key, each in merge(local.of_kind.Deployment, local.of_kind.Job) :
    key => merge(each.spec.template.spec, {
      containers = [
        for container in each.spec.template.spec.containers : merge(
          container,
          {
            for field, value in { image = var.image } : field => value
            if container.image == local.kustomized_image
          },
          {
            for field in ["env"] : field => [
              for setting in container.env : merge(setting, {
                for field, value in { value = local.allowed_hosts } : field => value
                if setting.name == "ORDERS_ALLOWED_HOSTS"
              })
            ] if can(container.env)
          },
        )
      ]
    })
  }
  autoscaled = length(local.of_kind.HorizontalPodAutoscaler) > 0
  specs = merge(
    {
      for key, each in local.of_kind.Job : key => merge(each.spec, {
        template = merge(each.spec.template, { spec = local.pods[key] })
      })
    },
    {
      for key, each in local.of_kind.Deployment : key => merge(
        each.spec,
        { template = merge(each.spec.template, { spec = local.pods[key] }) },
        { for field, value in { replicas = var.replicas } : field => value if !local.autoscaled },
      )
    },
    {
      for key, each in local.of_kind.HorizontalPodAutoscaler : key => merge(each.spec, {
        minReplicas = var.replicas
      })
    },
    {
      for key, each in local.of_kind.Ingress : key => merge(
        each.spec,
        {
          rules = [for rule in each.spec.rules : merge(rule, { host = var.hostname })]
          tls   = [for tls in each.spec.tls : merge(tls, { hosts = [var.hostname] })]
        },
        {
          for field, value in { ingressClassName = var.ingress_class } : field => value
          if value != null
        },
      )
    },
  )
  manifests = {
    for key, each in local.placed : key => yamlencode(merge(
      each,
      {
        for field, value in { spec = try(local.specs[key], null) } : field => value
        if value != null
      },
      {
        # The same as k8s/components/pull-secret.
        for field, value in { imagePullSecrets = [{ name = var.pull_secret }] } : field => value
        if var.pull_secret != null && key == "ServiceAccount/${var.namespace}/orders"
      },
    ))
  }

  # The stage in which each kind of object is applied, in order.
  stages = {
    Namespace   = "namespace"
    StatefulSet = "database"
    Job         = "migration"
    Deployment  = "service"
  }
  stage = {
    for stage in concat(values(local.stages), ["settings"]) : stage => {
      for key, each in local.placed : key => local.manifests[key]
      if lookup(local.stages, each.kind, "settings") == stage
    }
  }

  kubectl = {
    WAIT_FOR   = "${path.module}/wait-for"
    KUBECONFIG = var.kubeconfig
    CONTEXT    = var.kubeconfig_context == null ? "" : var.kubeconfig_context
    NAMESPACE  = var.namespace
    TIMEOUT    = var.rollout_timeout
  }
}

resource "kubectl_manifest" "namespace" {
  for_each = local.stage.namespace

  yaml_body         = each.value
  server_side_apply = true
  wait              = true # on deletion: until everything in it is gone
}

resource "kubectl_manifest" "secret" {
  for_each = nonsensitive(toset(keys(var.secrets)))

  # Use data, the only field that the provider hides.
  yaml_body = yamlencode({
    apiVersion = "v1"
    kind       = "Secret"
    type       = var.secrets[each.key].type
    metadata = {
      name      = each.key
      namespace = var.namespace
      labels    = { "app.kubernetes.io/part-of" = "orders" }
    }
    data = { for key, value in var.secrets[each.key].data : key => base64encode(value) }
  })
  server_side_apply = true

  depends_on = [kubectl_manifest.namespace]
}

# A CRL is public, so it needs no Secret. crl.conf makes the database use it.
resource "kubectl_manifest" "revocation_list" {
  count = var.revocation_list == null ? 0 : 1

  yaml_body = yamlencode({
    apiVersion = "v1"
    kind       = "ConfigMap"
    metadata = {
      name      = "orders-postgres-crl"
      namespace = var.namespace
      labels    = { "app.kubernetes.io/part-of" = "orders" }
    }
    data = {
      "ca.crl"   = var.revocation_list
      "crl.conf" = "ssl_crl_file = '/etc/postgresql-crl/ca.crl'\n"
    }
  })
  server_side_apply = true

  depends_on = [kubectl_manifest.namespace]
}

resource "kubectl_manifest" "settings" {
  for_each = local.stage.settings

  yaml_body         = each.value
  server_side_apply = true

  lifecycle {
    precondition {
      condition     = var.replicas <= try(local.placed[each.key].spec.maxReplicas, var.replicas)
      error_message = <<-EOT
        replicas is ${var.replicas}, more than the autoscaler's maxReplicas in ${var.kustomization},
        which limits the connections to the database. Raise maxReplicas and max_connections there.
      EOT
    }
  }

  depends_on = [kubectl_manifest.namespace, kubectl_manifest.secret]
}

resource "kubectl_manifest" "database" {
  for_each = local.stage.database

  yaml_body         = each.value
  server_side_apply = true

  depends_on = [kubectl_manifest.settings, kubectl_manifest.revocation_list]
}

# The provider waits only for Deployments, and does not wait for the autoscaler.
resource "terraform_data" "database" {
  for_each = kubectl_manifest.database

  triggers_replace = [each.value.uid, sha256(each.value.yaml_body_parsed)]

  provisioner "local-exec" {
    command     = "\"$WAIT_FOR\" statefulset ${each.value.name}"
    environment = local.kubectl
  }
}

resource "kubectl_manifest" "migration" {
  for_each = local.stage.migration

  yaml_body         = each.value
  server_side_apply = true
  force_new         = true # a Job cannot be changed

  depends_on = [terraform_data.database, kubectl_manifest.settings]
}

resource "terraform_data" "migration" {
  for_each = kubectl_manifest.migration

  triggers_replace = [each.value.uid]

  provisioner "local-exec" {
    command     = "\"$WAIT_FOR\" job ${each.value.name}"
    environment = local.kubectl
  }
}

resource "kubectl_manifest" "service" {
  for_each = local.stage.service

  yaml_body         = each.value
  server_side_apply = true
  wait_for_rollout  = false # see terraform_data.service

  depends_on = [terraform_data.migration, kubectl_manifest.settings]
}

resource "terraform_data" "service" {
  for_each = kubectl_manifest.service

  triggers_replace = [each.value.uid, sha256(each.value.yaml_body_parsed), var.replicas]

  provisioner "local-exec" {
    command     = "\"$WAIT_FOR\" deployment ${each.value.name}"
    environment = local.kubectl
  }
}
