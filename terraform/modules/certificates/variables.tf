variable "organization" {
  description = "What every subject names as its organization; the authority is named after it."
  type        = string
  default     = "Orders"
  nullable    = false
}

variable "authorities" {
  description = <<-EOT
    The names of the authorities. All are trusted, and the first one signs. To take another one into
    use, add its name at the end and apply; when all have it, put it first and apply; when all use
    the new certificates, take the old name out and apply.
  EOT
  type        = list(string)
  default     = ["1"]
  nullable    = false

  validation {
    condition = (
      length(var.authorities) > 0 && length(distinct(var.authorities)) == length(var.authorities)
      && alltrue([for name in var.authorities : can(regex("^[A-Za-z0-9][A-Za-z0-9.-]{0,19}$", name))])
    )
    error_message = <<-EOT
      authorities must be one name or more, each once, of at most 20 letters, digits, dots and
      hyphens.
    EOT
  }
}

variable "certificates" {
  description = <<-EOT
    The certificates to sign, by a name of yours. `usage` is `server` or `client`: neither serves as
    the other. PostgreSQL takes a client for the role that the `common_name` is mapped to.
  EOT
  type = map(object({
    common_name = string
    usage       = string
    dns_names   = optional(list(string), [])
  }))
  nullable = false

  validation {
    condition = alltrue([
      for each in var.certificates : contains(["server", "client"], each.usage)
    ])
    error_message = "The usage of a certificate must be \"server\" or \"client\"."
  }

  validation {
    condition = alltrue([
      for each in var.certificates : (each.usage == "server") == (length(each.dns_names) > 0)
    ])
    error_message = "A server's certificate needs dns_names, and a client's must have none."
  }

  validation {
    condition     = alltrue([for each in var.certificates : length(each.common_name) <= 64])
    error_message = "A common_name has at most 64 characters (RFC 5280)."
  }
}

variable "validity_hours" {
  description = "How long a certificate is valid."
  type        = number
  default     = 2160 # 90 days
  nullable    = false

  validation {
    condition     = var.validity_hours >= 1 && floor(var.validity_hours) == var.validity_hours
    error_message = "validity_hours must be a whole number of hours, 1 or more."
  }
}

variable "early_renewal_hours" {
  description = <<-EOT
    How long before its end a certificate is renewed, by whoever applies then: nothing else renews
    it.
  EOT
  type        = number
  default     = 720 # 30 days
  nullable    = false

  validation {
    condition = (
      var.early_renewal_hours >= 0 && floor(var.early_renewal_hours) == var.early_renewal_hours
      && var.early_renewal_hours < var.validity_hours
    )
    error_message = <<-EOT
      early_renewal_hours must be a whole number of hours and less than validity_hours, else every
      apply renews.
    EOT
  }
}

variable "ca_validity_hours" {
  description = "How long the authority's own certificate is valid."
  type        = number
  default     = 87600 # 10 years
  nullable    = false

  validation {
    condition = (
      var.ca_validity_hours > var.validity_hours
      && floor(var.ca_validity_hours) == var.ca_validity_hours
    )
    error_message = <<-EOT
      ca_validity_hours must be a whole number of hours and more than validity_hours: nothing
      outlives its authority.
    EOT
  }
}

variable "ca_early_renewal_hours" {
  description = <<-EOT
    How long before its end the authority is renewed, and everything that it signed; more than
    validity_hours, so that no certificate outlives it.
  EOT
  type        = number
  default     = 8760 # a year
  nullable    = false

  validation {
    condition = (
      var.ca_early_renewal_hours >= var.validity_hours
      && floor(var.ca_early_renewal_hours) == var.ca_early_renewal_hours
      && var.ca_early_renewal_hours < var.ca_validity_hours
    )
    error_message = <<-EOT
      ca_early_renewal_hours must be a whole number of hours, at least validity_hours and less
      than ca_validity_hours.
    EOT
  }
}
