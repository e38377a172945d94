output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "Its public subnets, once machines in them reach the internet."
  value       = aws_subnet.this[*].id
  depends_on  = [aws_route_table_association.this]
}
