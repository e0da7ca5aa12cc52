# What the inputs change in the kustomization. These tests read the real one, and apply nothing.

variables {
  kustomization = "../k8s/overlays/kind"
  namespace     = "shop"
  image         = "ghcr.io/example/orders:1.2.3"
  replicas      = 5
  hostname      = "orders.example.org"
  ingress_class = "internal"
  pull_secret   = "orders-pull"
  kubeconfig    = "/nonexistent"
  secrets = {
    orders-client-tls = { type = "kubernetes.io/tls", data = { "tls.key" = "secret" } }
  }
}

run "everything_is_in_the_namespace" {
  command = plan

  module {
    source = "./modules/orders"
  }

  assert {
    condition     = keys(kubectl_manifest.namespace) == ["Namespace/shop"]
    error_message = "The namespaces are ${jsonencode(keys(kubectl_manifest.namespace))}."
  }

  assert {
    condition = alltrue([
      for manifest in concat(
        values(kubectl_manifest.secret), values(kubectl_manifest.settings),
        values(kubectl_manifest.database),
        values(kubectl_manifest.migration), values(kubectl_manifest.service),
      ) : nonsensitive(yamldecode(manifest.yaml_body).metadata.namespace) == "shop"
    ])
    error_message = "An object is in another namespace."
  }
}

run "the_service_and_the_migration_have_the_image" {
  command = plan

  module {
    source = "./modules/orders"
  }

  assert {
    condition = alltrue([
      for manifest in concat(values(kubectl_manifest.migration), values(kubectl_manifest.service)) :
      nonsensitive(yamldecode(manifest.yaml_body).spec.template.spec.containers[*].image)
      == [var.image]
    ])
    error_message = "A pod has another image."
  }

  assert {
    condition = alltrue([
      for image in nonsensitive(yamldecode(
        kubectl_manifest.database["StatefulSet/shop/orders-postgres"].yaml_body
      ).spec.template.spec.containers[*].image) : startswith(image, "postgres:")
    ])
    error_message = "The database's image has changed."
  }
}

run "the_service_has_the_replicas_and_accepts_its_host_names" {
  command = plan

  module {
    source = "./modules/orders"
  }

  assert {
    condition = nonsensitive(yamldecode(
      kubectl_manifest.service["Deployment/shop/orders"].yaml_body
    ).spec.replicas) == 5
    error_message = "There are not 5 replicas."
  }

  assert {
    condition = contains(nonsensitive(yamldecode(
      kubectl_manifest.service["Deployment/shop/orders"].yaml_body
      ).spec.template.spec.containers[0].env[*]), {
      name = "ORDERS_ALLOWED_HOSTS", value = "orders.example.org,orders,orders.shop,orders.shop.svc"
    })
    error_message = "ORDERS_ALLOWED_HOSTS lacks a name."
  }
}

run "an_autoscaler_has_the_replicas_as_its_minimum" {
  command = plan

  variables {
    kustomization = "../k8s/base"
    replicas      = 10
  }

  module {
    source = "./modules/orders"
  }

  assert {
    condition = nonsensitive(yamldecode(
      kubectl_manifest.settings["HorizontalPodAutoscaler/shop/orders"].yaml_body
    ).spec.minReplicas) == 10
    error_message = "The autoscaler's minimum differs."
  }

  assert {
    condition = nonsensitive(yamldecode(
      kubectl_manifest.settings["HorizontalPodAutoscaler/shop/orders"].yaml_body
    ).spec.maxReplicas) == 10
    error_message = "The autoscaler's maximum differs from the kustomization's."
  }

  assert {
    condition = !can(nonsensitive(yamldecode(
      kubectl_manifest.service["Deployment/shop/orders"].yaml_body
    ).spec.replicas))
    error_message = "The Deployment sets replicas, which would conflict with the autoscaler."
  }
}

run "more_replicas_than_the_autoscaler_s_maximum_are_refused" {
  command = plan

  variables {
    kustomization = "../k8s/base"
    replicas      = 11
  }

  module {
    source = "./modules/orders"
  }

  expect_failures = [kubectl_manifest.settings]
}

run "the_ingress_has_the_host_and_the_class" {
  command = plan

  module {
    source = "./modules/orders"
  }

  assert {
    condition = nonsensitive([
      for ingress in [yamldecode(kubectl_manifest.settings["Ingress/shop/orders"].yaml_body).spec] :
      [ingress.ingressClassName, ingress.rules[0].host, ingress.tls[0].hosts[0]]
    ][0]) == ["internal", "orders.example.org", "orders.example.org"]
    error_message = "The Ingress has another host or class."
  }
}

run "the_service_account_has_the_pull_secret" {
  command = plan

  module {
    source = "./modules/orders"
  }

  assert {
    condition = nonsensitive(yamldecode(
      kubectl_manifest.settings["ServiceAccount/shop/orders"].yaml_body
    ).imagePullSecrets[0].name) == "orders-pull"
    error_message = "The ServiceAccount has no such Secret."
  }

  assert {
    condition = !can(nonsensitive(yamldecode(
      kubectl_manifest.settings["ServiceAccount/shop/orders-postgres"].yaml_body
    ).imagePullSecrets))
    error_message = "The database's ServiceAccount has it too, but needs none."
  }
}

run "secrets_are_not_shown" {
  command = plan

  module {
    source = "./modules/orders"
  }

  assert {
    condition = strcontains(
      kubectl_manifest.secret["orders-client-tls"].yaml_body_parsed, "(sensitive value)"
    )
    error_message = "The plan would show a Secret."
  }

  assert {
    condition = !strcontains(
      kubectl_manifest.secret["orders-client-tls"].yaml_body_parsed, base64encode("secret")
    )
    error_message = "The plan would show a Secret."
  }
}

run "the_database_gets_the_crl" {
  command = plan

  variables {
    revocation_list = "-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"
  }

  module {
    source = "./modules/orders"
  }

  assert {
    condition = nonsensitive(yamldecode(kubectl_manifest.revocation_list[0].yaml_body).data) == {
      "ca.crl"   = var.revocation_list
      "crl.conf" = "ssl_crl_file = '/etc/postgresql-crl/ca.crl'\n"
    }
    error_message = "The ConfigMap is not what k8s/README.md says."
  }
}
