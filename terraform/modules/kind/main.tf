resource "kind_cluster" "this" {
  name            = var.name
  node_image      = var.node_image
  kubeconfig_path = var.kubeconfig_path
  wait_for_ready  = true

  kind_config {
    kind        = "Cluster"
    api_version = "kind.x-k8s.io/v1alpha4"

    node {
      role = "control-plane"

      dynamic "extra_port_mappings" {
        for_each = var.ports

        content {
          container_port = tonumber(extra_port_mappings.key)
          host_port      = extra_port_mappings.value
          listen_address = "127.0.0.1"
          protocol       = "TCP"
        }
      }
    }

    dynamic "node" {
      for_each = range(var.workers)

      content {
        role = "worker"
      }
    }
  }

  lifecycle {
    # The path at creation. The same clone in another folder must not replace the cluster.
    ignore_changes = [kubeconfig_path]
  }
}

# The provider has no resource for loading images.
resource "terraform_data" "image" {
  for_each = var.images

  triggers_replace = [each.key, kind_cluster.this.id, kind_cluster.this.cluster_ca_certificate]

  provisioner "local-exec" {
    command = "kind load docker-image --name \"$CLUSTER\" \"$IMAGE\""

    environment = {
      CLUSTER = kind_cluster.this.name
      IMAGE   = each.key
    }
  }
}
