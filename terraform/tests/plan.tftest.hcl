# What the root module plans. The providers for the cluster and the certificates are mocked, so the
# tests need neither. They read the real kustomizations.

mock_provider "kind" {}
mock_provider "tls" {}

run "a_cluster_with_the_service_by_default" {
  command = plan

  assert {
    condition     = contains(output.objects, "Deployment/orders/orders")
    error_message = "There is no Deployment in ${jsonencode(output.objects)}."
  }

  assert {
    condition     = output.service_url == "http://127.0.0.1:8080"
    error_message = "service_url is ${output.service_url}."
  }

  assert {
    condition     = output.url == "https://orders.local"
    error_message = "url is ${output.url}."
  }

  assert {
    condition     = endswith(output.kubeconfig_path, "/kubeconfig")
    error_message = "kubeconfig_path is ${output.kubeconfig_path}."
  }

  assert {
    condition     = length(kubectl_manifest.ingress_controller) == 0
    error_message = "There is an unrequested ingress controller."
  }
}

run "the_url_has_the_host_and_the_port" {
  command = plan

  variables {
    hostname   = "orders.example.org"
    https_port = 8443
  }

  assert {
    condition     = output.url == "https://orders.example.org:8443"
    error_message = "url is ${output.url}."
  }
}

run "an_ingress_controller_on_request" {
  command = plan

  variables {
    ingress_controller = "traefik"
    namespace          = "shop"
  }

  assert {
    condition = (
      yamldecode(kubectl_manifest.ingress_controller["Role/shop/traefik"].yaml_body).rules[0].verbs
      == ["get", "list", "watch"]
    )
    error_message = "The controller cannot read the namespace that it serves."
  }

  assert {
    condition = contains(
      yamldecode(
        kubectl_manifest.ingress_controller["Deployment/traefik/traefik"].yaml_body
      ).spec.template.spec.containers[0].args,
      "--providers.kubernetesingress.namespaces=shop",
    )
    error_message = "The controller serves another namespace."
  }

  assert {
    condition = (
      kubectl_manifest.ingress_controller["Deployment/traefik/traefik"].server_side_apply
    )
    error_message = "The controller's Deployment is not applied server-side."
  }
}

run "every_party_gets_its_secret" {
  command = plan

  assert {
    condition = toset(module.orders.secret_names) == toset([
      "orders-client-tls", "orders-owner-tls", "orders-postgres-server-tls",
      "orders-postgres-superuser", "orders-ingress-tls",
    ])
    error_message = "The Secrets are ${jsonencode(module.orders.secret_names)}."
  }
}

run "secrets_for_the_registry_and_for_tokens_on_request" {
  command = plan

  variables {
    registry_credentials = { server = "ghcr.io", username = "somebody", password = "something" }
    tokens               = "shop read,write sha256:${sha256("token")}\n"
  }

  assert {
    condition = length(
      setintersection(module.orders.secret_names, ["orders-pull", "orders-tokens"])
    ) == 2
    error_message = "The Secrets are ${jsonencode(module.orders.secret_names)}."
  }
}

run "an_existing_cluster_is_used" {
  command = plan

  variables {
    create_cluster = false
    kubeconfig     = "tests/kubeconfig.yaml"
  }

  assert {
    condition     = length(module.kind) == 0
    error_message = "A cluster would be created."
  }

  assert {
    condition     = output.service_url == null
    error_message = "service_url must be null for an existing cluster."
  }
}

run "an_existing_cluster_needs_a_kubeconfig" {
  command = plan

  variables {
    create_cluster = false
  }

  expect_failures = [var.kubeconfig]
}

run "the_kubeconfig_must_exist" {
  command = plan

  variables {
    create_cluster = false
    kubeconfig     = "tests/missing.yaml"
  }

  expect_failures = [var.kubeconfig]
}

run "the_kustomization_must_exist" {
  command = plan

  variables {
    kustomization = "tests"
  }

  expect_failures = [var.kustomization]
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    namespace          = "Orders"
    image              = "ghcr.io/example/orders:1"
    image_tag          = "sha256:1"
    replicas           = 0
    hostname           = "https://orders.local"
    ingress_controller = "apache"
    revocation_list    = "none"
  }

  expect_failures = [
    var.namespace,
    var.image,
    var.image_tag,
    var.replicas,
    var.hostname,
    var.ingress_controller,
    var.revocation_list,
  ]
}
