module maintenance

go 1.24
